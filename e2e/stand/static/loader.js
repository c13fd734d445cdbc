// The simulated widgetJS: our own code, behaving as the loaders of 2018 and 2023 do. __LOADER__, __FORM__, __ORIGIN__
// are put in by the stand. Quirks are on purpose: see the comments.
var yWidget = {
  id: '__FORM__',
  href: '__ORIGIN_N__/',
  script_href: '__ORIGIN_W__/widgetJS',
  lang: 'ru-RU',
  isNew: true,
  formPosition: (window.yWidgetSettings || {}).formPosition || 'right',
  buttonPosition: (window.yWidgetSettings || {}).buttonPosition || 'bottom right',
  buttonColor: (window.yWidgetSettings || {}).buttonColor || '#7b4b3a',
  text: (window.yWidgetSettings || {}).buttonText || 'Онлайн-запись',
  iFrame: null, block: null, cover: null, closeIcon: null, button: null,

  isMobile: function () {
    return /Android|BlackBerry|iPhone|iPad|iPod|Opera Mini|IEMobile/i.test(navigator.userAgent) || window.innerWidth <= 600
  },

  // Phones leave the page; a desktop gets a panel whose new frame first loads the bare address, then, 250 ms later, the real one.
  show: function (url) {
    var self = this
    if (this.isMobile()) {
      location.href = url
      return
    }
    if (!this.block) this.createBlock()
    if (this.iFrame.getAttribute('data-url') !== url) {
      if (this.iFrame.src !== url) {
        this.iFrame.src = ''
        setTimeout(function () { self.iFrame.src = url }, 250)
      }
      this.iFrame.setAttribute('data-url', url)
    }
    this.block.className = this.block.className.replace(' yWidgetHide', '').replace(' yWidgetShow', '') + ' yWidgetShow'
    this.cover.className = 'yWidgetCover yWidgetShow'
    document.body.className += ' yBodyOverflowHidden'
  },

  // Only the classes change: the frame stays loaded.
  hide: function () {
    this.block.className = this.block.className.replace(' yWidgetShow', '') + ' yWidgetHide'
    this.cover.className = 'yWidgetCover yWidgetHide'
    document.body.className = document.body.className.replace(/ yBodyOverflowHidden/g, '')
  },

  createBlock: function () {
    var self = this
    this.block = document.createElement('div')
    this.block.className = 'yWidgetBlock ' + this.formPosition
    this.iFrame = document.createElement('iframe')
    this.iFrame.className = 'yWidgetIFrame'
    this.iFrame.frameBorder = '0'
    this.iFrame.allowTransparency = 'true'
    this.iFrame.src = this.href
    this.block.appendChild(this.iFrame)
    this.closeIcon = document.createElement('a')
    this.closeIcon.className = 'yCloseIcon'
    this.closeIcon.onclick = function () { self.hide() }
    this.block.appendChild(this.closeIcon)
    this.cover = document.createElement('div')
    this.cover.className = 'yWidgetCover'
    this.cover.onclick = function () { self.hide() }
    document.body.appendChild(this.cover)
    document.body.appendChild(this.block)
  },

  cookie: function (name) {
    var found = document.cookie.match('(?:^|; )' + name + '=([^;]*)')
    return found ? found[1] : ''
  },

  // What a click adds; a call of show() or the auto-opening adds none of it.
  addressOf: function (button) {
    var url = (button.getAttribute('data-url') || this.href) + button.search // undefined for what is no link
    url = url.replace('://w', '://n')
    var add = function (text) { url += (url.indexOf('?') < 0 ? '?' : '&') + text }
    var ga = this.cookie('_ga').split('.')
    if (ga.length > 3) add('gcid=' + ga[2] + '.' + ga[3])
    document.cookie.split('; ').forEach(function (pair) {
      if (pair.indexOf('yextrafield_') >= 0) add(pair)
    })
    if ('__LOADER__' === '2023') {
      if (this.cookie('roistat_visit')) add('roistat_visit=' + this.cookie('roistat_visit'))
      if (this.cookie('analytics-udid')) add('sdkudid=' + this.cookie('analytics-udid'))
    }
    return url
  },

  bind: function (button) {
    var self = this
    var name = '__LOADER__' === '2018' && /Android|iPhone|iPad/i.test(navigator.userAgent) ? 'touchend' : 'click'
    button.addEventListener(name, function (event) {
      event.preventDefault()
      self.show(self.addressOf(button))
    })
  },

  setButtons: function () {
    var found = document.querySelectorAll('.ms_booking, .ms-button, .yButton')
    for (var i = 0; i < found.length; i++) this.bind(found[i])
  },

  createButton: function () {
    this.button = document.createElement('a')
    this.button.className = 'yButton ' + this.buttonPosition.replace(' ', '.').replace('.', ' ')
    this.button.href = '#'
    this.button.innerHTML = '<span class="yButtonBackground"></span><span class="yButtonWave"></span><span class="yButtonText"></span><span class="yButtonIcon"></span>'
    this.button.querySelector('.yButtonText').textContent = this.text
    document.body.appendChild(this.button)
  },

  style: function () {
    var link = document.createElement('link')
    link.rel = 'stylesheet'
    link.href = '__ORIGIN_W__/css/ywidget/newweb.css'
    document.head.appendChild(link)
  },

  init: function () {
    this.style()
    this.createButton()
    this.setButtons()
    var auto = document.querySelector('.default-widget-button[data-url]')
    if (auto) this.show(auto.getAttribute('data-url'))
    if ((window.yWidgetSettings || {}).buttonAutoShow) this.show(this.href)
  },
}

if ('__LOADER__' === '2018') {
  // Runs at once, also when the script stands in the middle of the page.
  yWidget.init()
} else if (!window.__yButtonIsInited__) {
  window.__yButtonIsInited__ = true
  ;(function () {
    // Waits for its SDK, and has no answer when that is blocked: no button then.
    var sdk = document.createElement('script')
    sdk.src = '__ORIGIN_N__/js-sdk/sdk.min.js'
    sdk.onload = function () { yWidget.init() }
    document.head.appendChild(sdk)
  })()
}
