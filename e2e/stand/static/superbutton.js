// The "superbutton": its inner DOM was not seen on a live site, so this is one plain way to do what it must do.
;(function () {
  var options = window.yClientsWidgetOptions
  var place = document.querySelector('[data-superbutton]') || document.body
  var button = document.createElement('button')
  button.setAttribute('data-testid', 'superbutton')
  button.textContent = 'Записаться'
  button.onclick = function () {
    var frame = document.createElement('iframe')
    frame.className = 'superbutton-frame'
    frame.style.cssText = 'position:fixed;top:0;right:0;width:420px;max-width:100vw;height:100vh;border:0;z-index:10002;background:#fff'
    frame.src = options.widgetBaseUrl + '/?superButton=1'
    document.body.appendChild(frame)
  }
  place.appendChild(button)
})()
